import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Measured } from "./start-times.ts";

/** A file of the data directory, unpacked if it is packed. Rejects, naming it and where it comes from, when it cannot be read. */
export async function readData(directory: string, file: string, origin: string): Promise<string> {
	try {
		const bytes = await readFile(join(directory, file));
		return (file.endsWith(".gz") ? await promisify(gunzip)(bytes) : bytes).toString("utf8");
	} catch (cause) {
		throw new Error(`${file} cannot be read from the data directory. It is ${origin}.`, { cause });
	}
}

/** The rows of a CSV file without quoted fields, by column name. */
export function csvRows(text: string): Record<string, string>[] {
	const [head = "", ...lines] = text.trim().split(/\r?\n/);
	const names = head.split(",");
	return lines.map((line) => {
		const fields = line.split(",");
		return Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ""]));
	});
}

const EVENTS = "vllm-project/vllm-project.github.io at c3a01c4, assets/figures/2025-vllm-sleep-mode";
const LOADS = "ServerlessLLM/ServerlessLLM at 9f50241, benchmarks/results";
const HUAWEI = "quantiles of region 1, day 28, of Huawei's 2025 cold-start trace (sir-lab/data-release)";

/** What starts are drawn from. The cold-time prior of ours rests on the rows of the A100: these are others. */
export async function readMeasured(directory: string): Promise<Measured> {
	const [events, raw, huawei] = await Promise.all([
		readData(directory, "coldstart/vllm_sleep_mode_events.csv", EVENTS),
		readData(directory, "coldstart/serverlessllm_load_times_raw.csv", LOADS),
		readData(directory, "coldstart/huawei2025_R1_day28_component_quantiles.csv", HUAWEI),
	]);
	const loads = csvRows(events)
		.filter(({ gpu, event, model }) => gpu === "A4000" && event === "Load" && model?.startsWith("Phi-3"))
		.map((row) => Number(row["duration_s"]));
	const weights = csvRows(raw)
		.filter(({ hardware, format, scenario }) => {
			return hardware?.startsWith("H100") && format === "sllm" && scenario === "random";
		})
		.map((row) => Number(row["loading_time_s"]));
	const total = csvRows(huawei).find(({ component }) => component === "total");
	if (loads.length === 0 || weights.length === 0 || !total) throw new Error("The cold-start data lack rows.");
	const platform = Object.entries(total).flatMap(([name, value]): [number, number][] =>
		/^p\d+$/.test(name) ? [[Number(name.slice(1)) / 100, Number(value)]] : [],
	);
	return { loads, weights, platform };
}
