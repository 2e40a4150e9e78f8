"""A small GPT that trains, checkpoints by step and resumes bit for bit; README.md beside this file is its manual."""
