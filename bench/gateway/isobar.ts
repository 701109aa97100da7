import { AdminClient } from "../../scripts/admin-client.ts";
import { startIsobar } from "../../scripts/local.ts";
import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import { CHAT_PATH, type Contender } from "./contender.ts";
import { MODEL } from "./loads.ts";

const ADMIN_TOKEN = "bench";

interface IsobarOptions {
	readonly urls: ReadonlyMap<string, string>;
	readonly logRequests: boolean;
	/** Directory of its state. */
	readonly persist: string;
	/** What it prints besides the lines of requests. */
	readonly onProblem: (line: string) => void;
}

/** Isobar as it is deployed, with everything on: a key with a budget and limits that are never reached, three pools with
 *  the three kinds of price, and its state on disk. */
export async function startIsobarContender(options: IsobarOptions): Promise<Contender> {
	const { urls, logRequests, persist, onProblem } = options;
	const isobar = await startIsobar({
		persist,
		secrets: { ADMIN_TOKEN },
		...(!logRequests && { settings: { logRequests } }),
		onLog: (line, level) => {
			// NOSENTRY is workerd's own mark for what is no fault.
			if ((level === "warn" || level === "error") && !line.includes("NOSENTRY")) onProblem(line);
		},
	});
	try {
		const admin = new AdminClient(isobar.url, ADMIN_TOKEN);
		await admin.putCatalog(catalogOf(urls));
		const { key } = await admin.createKey({
			tenant: "bench",
			budget: { day_usd: 500_000 },
			limits: { requests_per_minute: 1e9, tokens_per_minute: 1e12, concurrency: 10_000 },
		});
		return {
			id: logRequests ? "isobar" : "isobar_no_log",
			title: logRequests ? "Isobar" : "Isobar, no request log",
			url: isobar.url + CHAT_PATH,
			headers: { authorization: `Bearer ${key}` },
			stop: isobar.stop,
		};
	} catch (error) {
		await isobar.stop();
		throw error;
	}
}

function catalogOf(urls: ReadonlyMap<string, string>): CatalogInput {
	const replicas = (pool: string) => [{ id: "a", url: urls.get(`${pool}/a`) ?? "" }];
	const shared = { model: MODEL, max_concurrency: 256 } as const;
	const place = { provider: "local", region: "here", round_trip_ms: 1 };
	return {
		models: [
			{
				id: MODEL,
				context_length: 131_072,
				capabilities: ["chat", "completions", "tools", "logprobs", "json"],
				parameters_billion: 8.03,
				kv_bytes_per_token: 131_072,
			},
		],
		pools: [
			{
				...shared,
				id: "h100",
				engine: "vllm",
				gpu: { type: "H100" },
				place,
				price: { per: "gpu_hour", usd: 3.29 },
				replicas: replicas("h100"),
			},
			{
				...shared,
				id: "l40s",
				engine: "vllm",
				gpu: { type: "L40S" },
				place,
				price: { per: "gpu_second", usd: 0.00053 },
				replicas: replicas("l40s"),
			},
			{
				...shared,
				id: "api",
				engine: "openai",
				place,
				price: { per: "million_tokens", input: 0.1, output: 0.1 },
				replicas: replicas("api"),
			},
		],
	};
}
