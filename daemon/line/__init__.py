"""The line from a received image to a verdict: intake, assembly, selection, appraisal, judgement, workflow."""
