"""Sites: virtual servers whose requests go through steps and locations before they are passed on."""
