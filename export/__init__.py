"""From torch to a bundle that the daemon trusts: ONNX, parity gate, golden test."""
