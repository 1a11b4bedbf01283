"""What more than one test file uses: networks, results, figures, commands, grids."""
