"""What works with numpy and the standard library alone: captures in files, matching, sinks. Registered like any plugin."""
