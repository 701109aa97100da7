import type { Counters, Histogram } from "./counters.ts";

export interface Gauges {
	readonly running: number;
	readonly waiting: number;
	readonly kvUsage: number;
}

/** The text of GET /metrics, with vLLM's names and labels. */
export function renderMetrics(model: string, counters: Counters, gauges: Gauges): string {
	const labels = `engine="0",model_name="${model.replace(/["\\]/g, "\\$&")}"`;
	const simple = (name: string, type: "gauge" | "counter", help: string, value: number) => [
		...header(name, type, help),
		`${name}{${labels}} ${value}`,
	];
	const lines = [
		...simple("vllm:num_requests_running", "gauge", "Number of requests in model execution batches.", gauges.running),
		...simple("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.", gauges.waiting),
		...simple("vllm:kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", gauges.kvUsage),
		...simple("vllm:prefix_cache_queries_total", "counter", "Prefix cache queries, in tokens.", counters.prefixQueries),
		...simple("vllm:prefix_cache_hits_total", "counter", "Prefix cache hits, in tokens.", counters.prefixHits),
		...simple("vllm:num_preemptions_total", "counter", "Cumulative number of preemptions.", counters.preemptions),
		...simple("vllm:prompt_tokens_total", "counter", "Number of prefill tokens processed.", counters.promptTokens),
		...simple("vllm:generation_tokens_total", "counter", "Number of generation tokens.", counters.generationTokens),
		...header("vllm:request_success_total", "counter", "Count of successfully processed requests."),
		...Object.entries(counters.finished).map(
			([reason, count]) => `vllm:request_success_total{finished_reason="${reason}",${labels}} ${count}`,
		),
		...histogram("vllm:time_to_first_token_seconds", "Time to first token in seconds.", labels, counters.ttft),
		...header("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds."),
		`process_start_time_seconds ${counters.startedAt}`,
	];
	return `${lines.join("\n")}\n`;
}

function header(name: string, type: string, help: string): string[] {
	return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function histogram(name: string, help: string, labels: string, { bounds, counts, sum }: Histogram): string[] {
	let total = 0;
	const buckets = counts.map((count, i) => {
		total += count;
		return `${name}_bucket{le="${bounds[i] ?? "+Inf"}",${labels}} ${total}`;
	});
	return [
		...header(name, "histogram", help),
		...buckets,
		`${name}_sum{${labels}} ${sum}`,
		`${name}_count{${labels}} ${total}`,
	];
}
