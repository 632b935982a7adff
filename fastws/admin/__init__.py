"""What an operator's commands say to a proxy that runs."""
