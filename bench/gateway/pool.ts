import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ReplicaOptions } from "../../test/simulator/options.ts";
import type { SimulatorOptions } from "../../test/simulator/simulator.ts";
import { PROJECT } from "../lib/bench.ts";
import { CHAT_PATH, type Contender } from "./contender.ts";
import { MODEL } from "./loads.ts";

/** One replica in each of three pools, all in one process, and none of them slow: what is measured is in front of them. */
export const REPLICAS = ["h100/a", "l40s/a", "api/a"] as const;

export interface Pool extends Contender {
	/** By name of the replica. */
	readonly urls: ReadonlyMap<string, string>;
}

/** The simulator in a process of its own. As a contender it is what is there without a gateway. */
export async function startPool(scratch: string, seed: number): Promise<Pool> {
	const replicas: ReplicaOptions[] = REPLICAS.map((name) => ({
		name,
		model: MODEL,
		speed: 0,
		recordRequests: 0,
		// Tokens come one by one, as an engine sends them.
		eventsPerWrite: 1,
	}));
	const config: SimulatorOptions = { replicas, seed };
	const file = join(scratch, "simulator.json");
	await writeFile(file, JSON.stringify(config));
	// It ends when this process is gone, however that ended: what nobody stops would load the machine for ever.
	const args = [join(PROJECT, "test", "simulator", "main.ts"), "--config", file, "--while-stdin"];
	const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
	const exited = once(child, "exit");
	const [line] = await Promise.race([
		once(child.stdout, "data"),
		exited.then(() => Promise.reject(new Error("the simulator did not start"))),
	]);
	const started: { replicas: { name: string; url: string }[] } = JSON.parse(String(line));
	const urls = new Map(started.replicas.map(({ name, url }) => [name, url]));
	return {
		id: "direct",
		title: "direct",
		url: `${urls.get(REPLICAS[0])}${CHAT_PATH}`,
		headers: {},
		urls,
		async stop() {
			child.kill();
			await exited;
		},
	};
}
