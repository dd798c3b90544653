"""What touches the outside: network, disk, ONNX Runtime, HTTP."""
