"""What is measured: latency, freshness, throughput, learning, peers; and the demo's report."""
