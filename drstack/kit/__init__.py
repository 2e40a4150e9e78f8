"""The recovery kit: what a promotion needs, on the standby, from which it runs with the internet gone.

`write.py` gathers and places a kit, `start.py` travels in it and makes it ready, `check.py` judges one.
"""
