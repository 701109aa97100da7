import type { Seconds } from "../shared/units.ts";

/** What the promise resolves to, or null when it has not after that many seconds. The promise itself goes on. */
export async function within<T extends {}>(seconds: Seconds, promise: Promise<T>): Promise<T | null> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<null>((resolve) => {
		timer = setTimeout(() => resolve(null), Math.max(0, seconds * 1_000));
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}
