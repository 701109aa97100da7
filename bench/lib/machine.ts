import { createRequire } from "node:module";
import { arch, cpus, loadavg, release, totalmem, type } from "node:os";

/** Where a benchmark ran, as far as its figures depend on it. Names neither the host nor a path. */
export interface Machine {
	readonly cpu: string;
	readonly cores: number;
	readonly memory_gb: number;
	readonly os: string;
	readonly node: string;
	readonly workerd: string;
	/** Of the last minute, when the benchmark started: over 1 it was not alone. */
	readonly load_average: number;
}

export function describeMachine(): Machine {
	const processors = cpus();
	const workerd: { version: string } = createRequire(import.meta.url)("workerd/package.json");
	return {
		cpu: processors[0]?.model.trim() ?? "unknown",
		cores: processors.length,
		memory_gb: Math.round(totalmem() / 2 ** 30),
		os: `${type()} ${release()} ${arch()}`,
		node: process.versions.node,
		workerd: workerd.version,
		load_average: Math.round((loadavg()[0] ?? 0) * 100) / 100,
	};
}

export function machineText(machine: Machine): string {
	const { cpu, cores, memory_gb, os, node, workerd, load_average } = machine;
	return `${cpu}, ${cores} cores, ${memory_gb} GB; ${os}; Node ${node}, workerd ${workerd}; load average ${load_average} at the start`;
}
