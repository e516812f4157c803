"""The same flows in Debian's Chromium: cookies, frames and scripts as they really behave."""
