"""The plugin's kernels; the rules are those of `lippycat_core.kernels`."""
