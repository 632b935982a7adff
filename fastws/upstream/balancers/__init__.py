"""The methods to choose a peer by."""
