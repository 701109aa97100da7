import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { join, resolve } from "node:path";

const PROJECT = resolve(import.meta.dirname, "../../..");
export const PYTHON_CLIENT = join(PROJECT, "clients", "python");

/** `ISOBAR_PYTHON`, or what `python3` is. */
export const python = process.env["ISOBAR_PYTHON"] ?? "python3";

/** Whether that Python has what the Python client needs. */
export const hasPython = spawnSync(python, ["-c", "import numpy, cryptography"]).status === 0;

export const NO_PYTHON = `${python} has no numpy and cryptography (ISOBAR_PYTHON names another)`;

/** For threads of numpy: the machine has others to run. */
export const PYTHON_ENV = {
	...process.env,
	PYTHONPATH: PYTHON_CLIENT,
	PYTHONDONTWRITEBYTECODE: "1",
	OPENBLAS_NUM_THREADS: "1",
	OMP_NUM_THREADS: "1",
};

export const LANGUAGES = ["typescript", "python"] as const;
export type Language = (typeof LANGUAGES)[number];

export interface WorkOptions {
	readonly url: string;
	readonly run: string;
	readonly invitation?: string;
	/** A directory. */
	readonly store: string;
	/** Ends after so many updates. */
	readonly tasks: number;
	readonly encoding?: string;
	/** Encoding of pulled differences. */
	readonly delta?: string;
	/** The update: `seed * ((i % 251) - 125) / 1024` at parameter i. */
	readonly seed?: number;
}

/** A client in a process of its own, which prints a line of JSON for each event; see work.ts and work.py. */
export class ClientProcess {
	readonly child: ChildProcess;
	readonly ended: Promise<number | null>;
	#out = "";
	#err = "";

	constructor(language: Language, options: WorkOptions) {
		const here = import.meta.dirname;
		const [command, file] = language === "python" ? [python, "work.py"] : [process.execPath, "work.ts"];
		this.child = spawn(command, [join(here, file), JSON.stringify(options)], { env: PYTHON_ENV });
		this.child.stdout?.on("data", (piece: Buffer) => (this.#out += piece.toString()));
		this.child.stderr?.on("data", (piece: Buffer) => (this.#err += piece.toString()));
		this.ended = new Promise((resolve, reject) => {
			this.child.on("error", reject);
			this.child.on("close", resolve);
		});
	}

	/** Resolves when it has ended well. */
	async done(): Promise<void> {
		const code = await this.ended;
		if (code !== 0) throw new Error(`the client ended with ${code}: ${this.#err}`);
	}

	get events(): readonly Readonly<Record<string, unknown>>[] {
		const lines = this.#out.split("\n").filter(Boolean);
		return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
	}

	async kill(): Promise<void> {
		this.child.kill("SIGKILL");
		await this.ended;
	}
}
