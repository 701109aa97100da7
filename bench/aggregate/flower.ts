import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { PROJECT } from "../../scripts/bundle.ts";
import type { Fleet } from "./fleet.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";

const PROGRAM = join(import.meta.dirname, "flower.py");
const PYTHON = join("bench", ".tools", "flower", "bin", "python");

/** How one makes Flower part of the next run. */
export const FLOWER_ABSENT = `Flower was not here to be measured (\`python3 -m venv bench/.tools/flower && ${PYTHON} -m pip install flwr\` brings it), so its figures are those of the project's notes.`;

export interface FlowerRound {
	readonly version: string;
	/** Of the aggregation alone: updates are in memory, and there is no network. */
	readonly seconds: number;
	/** Most memory that the process ever had, MB. */
	readonly peak: number;
}

/** Flower's FedAvg over a fleet's round, where Python has it: in its place under `bench/.tools`, or else as `python3`. Null where neither
 *  does. */
export async function measureFlower({ clients, rows }: Fleet): Promise<FlowerRound | null> {
	const own = join(PROJECT, PYTHON);
	const python = existsSync(own) ? own : "python3";
	const env = { ...process.env, FLWR_TELEMETRY_ENABLED: "0" };
	const run = promisify(execFile);
	try {
		await run(python, ["-c", "import flwr"], { env });
	} catch {
		return null;
	}
	const { stdout } = await run(python, [PROGRAM, String(clients), String(rows * ROW_PARAMETERS)], { env });
	return JSON.parse(stdout) as FlowerRound;
}
