"""DICOM in and out of our values: datasets and bytes, no network, no disk."""
