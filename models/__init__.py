"""What both sides share: bundle contract, preprocessing and artefact physics (numpy), and the torch networks."""
