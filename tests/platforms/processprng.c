/* Wine 8 lacks bcryptprimitives.dll, from which Rust's std takes its random numbers. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T len)
{
    while (len > 0) {
        ULONG part = len < 65536 ? (ULONG)len : 65536;
        if (!RtlGenRandom(buffer, part)) {
            return FALSE;
        }
        buffer += part;
        len -= part;
    }
    return TRUE;
}
