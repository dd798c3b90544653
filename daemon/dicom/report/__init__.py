"""A verdict as DICOM objects: structured report and summary picture, and what they take over from their series."""
