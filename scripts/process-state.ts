import { readFileSync } from "node:fs";

/** Whether a process of that number runs, whoever's it is. One that has ended and was not waited for does not: in a container
 *  without an init, orphans stay like that. */
export function isRunning(pid: number): boolean {
	if (!Number.isInteger(pid) || pid <= 0) return false;
	try {
		process.kill(pid, 0);
	} catch (error) {
		if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
	}
	return stateOf(pid) !== "Z";
}

/** The letter of Linux's `/proc/PID/stat`; elsewhere, and where it cannot be read, null. */
function stateOf(pid: number): string | null {
	try {
		// The name before it stands in brackets and may hold some.
		const [, state = null] = /\) (\w) [^)]*$/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
		return state;
	} catch {
		return null;
	}
}
