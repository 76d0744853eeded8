"""An example plugin."""
