"""What artefacts cost the task, told without labels; people judged and given verdicts by one bundle beside another."""
