"""What the velocity models share: size factors, root cells, rates from pairs of cells, closed forms."""
