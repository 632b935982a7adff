"""Sites: virtual servers, with steps and locations before requests are passed on."""
