"""The running process's own state, for whoever asks: metrics, alerts, and the socket that `lc debug` talks to.

Nothing here changes what a run finds. What is asked often is read between two batches; nothing is counted per packet.
"""
