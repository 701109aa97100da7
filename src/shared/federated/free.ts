/** Gives the memory of these arrays back at once; they are empty afterwards. V8 learns late of buffers that nobody holds: while rows of
 *  1 MiB pass, some tens of them would lie about, and each new one would be memory that no cache has seen. */
export function free(arrays: Iterable<ArrayBufferView>): void {
	for (const { buffer } of arrays) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
