import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

const FOLDER = resolve(import.meta.dirname, "../../../../../shared/data/fl-golden");

export const hasGolden = existsSync(FOLDER);

/** A file of the golden vectors, where they lie beside the project. */
export function golden(name: string): unknown {
	return JSON.parse(readFileSync(resolve(FOLDER, name), "utf8"));
}

export function goldenBytes(name: string): Uint8Array {
	return readFileSync(resolve(FOLDER, name));
}
