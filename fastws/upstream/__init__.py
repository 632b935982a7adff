"""The servers that connections go to, and the choice among them."""
