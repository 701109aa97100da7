/** CPU time of this thread, microseconds: what others do on the machine counts only as far as they take its caches. */
export function cpuMicroseconds(): number {
	const { user, system } = process.threadCpuUsage();
	return user + system;
}
