"""What Acme adds to allclear: the action `acme.pause_queue` and the alert source `acme-monitor`."""
