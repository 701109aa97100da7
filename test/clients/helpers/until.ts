/** Waits until `isTrue` and returns what it returned; rejects, saying what was waited for, after `seconds`. */
export async function until<T>(
	what: string,
	isTrue: () => T | Promise<T>,
	seconds = 10,
): Promise<Exclude<T, false | null | undefined>> {
	for (const start = performance.now(); ;) {
		const value = await isTrue();
		if (value !== false && value !== null && value !== undefined) return value as Exclude<T, false | null | undefined>;
		if (performance.now() - start > seconds * 1_000) throw new Error(`waited in vain for: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}
