"""What an observer's programs write beside the data: observing logs and dither logs, read as values."""
