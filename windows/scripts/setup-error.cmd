@echo off
rem Windows Setup runs this as %WINDIR%\Setup\Scripts\ErrorHandler.cmd when it
rem cannot go on after the restart: the logs go to the second serial port, and
rem the VM is turned off instead of waiting in front of a message.
setlocal enabledelayedexpansion
set port=\\.\COM2
mode com2: baud=115200 parity=n data=8 stop=1 >nul 2>&1
>%port% echo image-build: Setup has stopped after the restart
for %%f in (
    "%WINDIR%\Panther\setuperr.log"
    "%WINDIR%\Panther\UnattendGC\setuperr.log"
    "%WINDIR%\System32\Sysprep\Panther\setuperr.log"
    "%WINDIR%\Panther\setupact.log"
    "%WINDIR%\Panther\UnattendGC\setupact.log"
) do call :send %%f
>%port% echo image-build: FAILED
shutdown /s /f /t 0
exit /b 0

rem The last 60 lines of a log. The port blocks until they are sent. What a line
rem holds is no command: delayed expansion would take exclamation marks out.
:send
if not exist %1 exit /b 0
>%port% echo --- %~1
set lines=0
for /f "delims=" %%l in ('type %1') do set /a lines+=1
set /a skip=lines-60
set from=
if %skip% gtr 0 set from=skip=%skip%
setlocal disabledelayedexpansion
for /f "%from% delims=" %%l in ('type %1') do >%port% echo.%%l
exit /b 0
