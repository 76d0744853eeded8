"""TLS 1.2 and 1.3 as a layer: records are opened with the secrets of a key log, and what they carry is handed on."""
