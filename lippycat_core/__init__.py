"""lippycat's core: the batch, the flow, the interfaces, the host of plugins and the `lc` command."""
