/** CPU time of this thread, microseconds: what others do on the machine counts only as far as they take its caches. The system
 *  may count it in steps of some milliseconds: right in the sum of many rounds, not of one. */
export function cpuMicroseconds(): number {
	const { user, system } = process.threadCpuUsage();
	return user + system;
}
