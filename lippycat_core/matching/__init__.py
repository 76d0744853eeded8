"""What match backends share: the meaning of patterns. No backend lives here, and nothing that knows a device."""
