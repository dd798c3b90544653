"""What tests are built of: values, files, peers, processes."""
