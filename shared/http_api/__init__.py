"""The HTTP door's rooms: what a request may be, what an answer looks like, who may ask."""
