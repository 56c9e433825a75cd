"""What every part uses: errors, claims, files, images, paths of this machine, fingerprints, signals, devices."""
