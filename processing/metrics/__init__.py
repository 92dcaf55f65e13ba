"""What processes count for `/metrics`, in their memory; `uploads.monitoring.publishing` sends it to Redis."""
