"""What is looked for: each function takes a situation and yields findings, purely."""
