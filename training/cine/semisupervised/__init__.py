"""Hearts learnt from few labels: some patients' labels, everybody's images, an adversary (Hasan and Linte 2022)."""
