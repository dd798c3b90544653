"""The lesion bundle's training: FLAIR heads with white-matter lesions from open label maps and lesion masks."""
