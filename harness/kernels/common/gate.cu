// Holds the stream until the host opens the gate, or for `limit` nanoseconds: a host that cannot open it must not hang.
extern "C" __global__ void gate(const volatile unsigned int *opened, unsigned int ticket, unsigned long long limit)
{
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    do {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    } while (*opened != ticket && now - start < limit);
}
