"""The cine bundle's training: short-axis stacks at end-diastole and end-systole, two tasks and their agreement."""
