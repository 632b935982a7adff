"""From what an operator writes to one immutable `model.Config`."""
