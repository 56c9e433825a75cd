"""A page, served to this machine alone, on which targets are drawn and watched.

`screen` is what the loop over a video sees, `link` what its thread shares with the server's, `server` the HTTP.
"""
